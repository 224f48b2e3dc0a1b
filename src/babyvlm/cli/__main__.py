"""``python -m babyvlm.cli``, as the ``babyvlm`` command."""

from babyvlm.cli import main

main()
