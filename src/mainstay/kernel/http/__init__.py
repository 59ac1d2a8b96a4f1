"""Everything that knows FastAPI, Starlette and uvicorn."""
