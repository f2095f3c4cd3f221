"""Nothing but the views, which every migration makes anew: an undecided candidate may be the best."""

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    pass
