"""A process with an embedded PostgreSQL, for tests to end. It prints the URL and stops when its stdin is closed."""

import argparse
import asyncio
import os
import resource
import sys
from pathlib import Path

from mainstay.kernel.db.embedded import EmbeddedPostgres, EmbeddedPostgresError

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--uid", type=int, help="be this user, from root")
parser.add_argument("--durable", action="store_true")
parser.add_argument("--keep", action="store_true")
parser.add_argument("--largest-file", type=int, help="bytes; stands for a full disk")
arguments = parser.parse_args()

if arguments.uid is not None:  # now that all is imported: the user may not be able to read this interpreter's files
    os.setgroups([])
    os.setgid(arguments.uid)
    os.setuid(arguments.uid)
if arguments.largest_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.largest_file, arguments.largest_file))


async def _keep_until_told() -> None:
    keeping = asyncio.create_task(server.keep())
    await asyncio.to_thread(sys.stdin.read)
    keeping.cancel()


server = EmbeddedPostgres(arguments.folder, durable=arguments.durable)
try:
    sys.stdout.write(server.start() + "\n")
    sys.stdout.flush()
except EmbeddedPostgresError as error:
    sys.exit(str(error))
if arguments.keep:
    asyncio.run(_keep_until_told())
else:
    sys.stdin.read()
server.stop()
