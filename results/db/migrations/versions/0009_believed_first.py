"""Nothing but the views, which every migration makes anew: what was trained again comes first."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
