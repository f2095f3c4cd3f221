"""Nothing but the views, which every migration makes anew: they no longer compare all pairs of trials."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
