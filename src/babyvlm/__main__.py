"""``python -m babyvlm``, as the ``babyvlm`` command; ``torchrun -m babyvlm`` starts it so."""

from babyvlm.cli import main

main()
