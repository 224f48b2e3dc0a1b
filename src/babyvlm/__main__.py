"""``python -m babyvlm``, as the ``babyvlm`` command; ``torchrun -m babyvlm`` starts it so."""

import os

from babyvlm.cli import main

main()
if os.environ.get("WORLD_SIZE", "1") != "1":
    from babyvlm.training import end_at_once

    end_at_once()
