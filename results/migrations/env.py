"""Run by Alembic. The connection is handed in, with a transaction begun, by `results.migrations.upgrade`."""

from alembic import context

from results import views

connection = context.config.attributes["connection"]
context.configure(connection=connection)
views.drop(connection)
context.run_migrations()
views.create(connection)
