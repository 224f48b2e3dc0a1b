"""scikit-learn and fastabx beside ``babyvlm probe``: an environment for them; ``judge_there.py`` runs in it alone."""
