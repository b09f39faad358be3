"""The OpenAPI pages, Swagger UI and ReDoc, from files on this machine: no other host is ever asked."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse, RedirectResponse

from web.problems import MEDIA_TYPE, ProblemShown

DOCS = "/docs"
REDOC = "/redoc"
FILES = "/docs-files"
PAGES = (DOCS, REDOC, FILES)
"""Where pages for people are; all other paths answer programs."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors, for its OpenAPI page."""
    schema = {"$ref": f"#/components/schemas/{ProblemShown.__name__}"}
    return {
        status: {
            "model": ProblemShown,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def add_docs(app: FastAPI) -> None:
    """Serves the pages of an application whose own are switched off."""
    describe = app.openapi

    def describe_problems_once() -> dict[str, Any]:
        return _without_json_problems(describe())

    app.openapi = describe_problems_once  # type: ignore[method-assign]
    files = Path(fastapi_offline.__file__).parent / "static"
    app.mount(FILES, StaticFiles(directory=files), name="docs-files")

    @app.get("/", include_in_schema=False)
    async def show_pages() -> RedirectResponse:
        return RedirectResponse(DOCS)

    @app.get(DOCS, include_in_schema=False)
    async def show_swagger() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{FILES}/favicon.png",
            swagger_ui_parameters={"validatorUrl": None, "persistAuthorization": True},
        )

    @app.get(REDOC, include_in_schema=False)
    async def show_redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            redoc_js_url=f"{FILES}/redoc.standalone.js",
            redoc_favicon_url=f"{FILES}/favicon.png",
            with_google_fonts=False,
        )


def _without_json_problems(document: dict[str, Any]) -> dict[str, Any]:
    """An error has one media type; the framework adds application/json for every model."""
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                if MEDIA_TYPE in answer.get("content", {}):
                    answer["content"].pop("application/json", None)
    return document
