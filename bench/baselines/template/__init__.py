"""The usual template: FastAPI, an AsyncSession from a `yield` dependency, ORM models, `response_model`.

Written the way tutorials and project templates write it, at its best: no refresh after a commit, the fields that the
caller sees and no others, the session's own compare-and-set (`version_id_col`).
"""

from bench.baselines.template.app import create_app

__all__ = ["create_app"]
