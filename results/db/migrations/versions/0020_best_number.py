"""Nothing but the views, which every migration makes anew: the best by any number that a script reports."""

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    pass
