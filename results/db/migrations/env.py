"""Run by Alembic. The connection is handed in, with a transaction begun, by `results.db.migrations.upgrade`."""

from alembic import context

from results.db import views

connection = context.config.attributes["connection"]
context.configure(connection=connection)
views.drop(connection)
context.run_migrations()
views.create(connection)
