"""Rows of a ward among many keys, however many: one statement, and one parameter that holds them all.

`IN (:a, :b, …)` is another statement for each number of texts: SQLAlchemy writes it anew whenever it is run,
SQLite compiles it anew, and PostgreSQL prepares none of them.
"""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _Texts(TypeDecorator[Sequence[str]]):
    """An array; on SQLite the JSON of one."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else ARRAY(sa.Text()))

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        texts = [str(text) for text in value or ()]
        return json.dumps(texts) if dialect.name == "sqlite" else texts


class _Among(FunctionElement[bool]):
    name = "among"
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> "_Among":
        """As it is: SQLAlchemy would ask SQLite whether it is `= 1`, which no index answers."""
        del against
        return self


@compiles(_Among)
def _as_array(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    row_ward, column, ward, texts = (compiler.process(part, **how) for part in element.clauses)
    return f"({row_ward} = {ward} AND {column} = ANY ({texts}))"


@compiles(_Among, "sqlite")
def _as_json(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    """As one pair: without statistics SQLite takes a ward for ten rows, and walks all of it by choice."""
    row_ward, column, ward, texts = (compiler.process(part, **how) for part in element.clauses)
    return f"({row_ward}, {column}) IN (SELECT {ward}, value FROM json_each({texts}))"  # noqa: S608 - compiled


def among(column: "sa.Column[Any]", name: str) -> sa.ColumnElement[bool]:
    """Whether a row is of the ward `:ward`, and a column of it one of the texts that are given as `name`."""
    ward: sa.ColumnElement[str] = column.table.c.ward
    return _Among(ward, column, sa.bindparam("ward", type_=sa.String()), sa.bindparam(name, type_=_Texts()))
