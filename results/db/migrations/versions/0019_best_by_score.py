"""Nothing but the views, which every migration makes anew: the best by a score that only a script knows."""

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    pass
