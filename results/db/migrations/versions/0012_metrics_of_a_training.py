"""Nothing but the views, which every migration makes anew: the energy of a training as a goal and a limit."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    pass
