"""Run by Alembic; `results.db.migrations.upgrade` hands in the connection, with a transaction begun."""

from alembic import context

from results.db import views

connection = context.config.attributes["connection"]
context.configure(connection=connection)
views.drop(connection)
context.run_migrations()
views.create(connection)
