"""Nothing but the views, which every migration makes anew: `completed_trials` no longer compares all pairs."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
