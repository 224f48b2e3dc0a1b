"""The public leaderboard and lmms-eval, in which it runs; the EgoBabyVLM challenge.

run + checkpoint -> write_submission   submission.json, model.py, scores.json: a folder the leaderboard takes
runs, probes     -> write_challenge    one JSON file for the EgoBabyVLM challenge, from three or more seeds
toolbox          -> write_lmms_tasks   task files with which lmms-eval asks the same items
checkpoint       -> lmms_model.py      the model plug-in with which lmms-eval 0.7 asks our checkpoints; needs lmms-eval
                    standalone_model.py   what a submission has as model.py, for the leaderboard's lmms-eval 0.3.0
"""

from babyvlm.leaderboard.challenge import ChallengeConfig, ChallengeEntry, ChallengeParts, write_challenge
from babyvlm.leaderboard.submission import SubmissionConfig, standalone_model_file, write_submission
from babyvlm.leaderboard.tasks import write_lmms_tasks

__all__ = [
    "ChallengeConfig",
    "ChallengeEntry",
    "ChallengeParts",
    "SubmissionConfig",
    "standalone_model_file",
    "write_challenge",
    "write_lmms_tasks",
    "write_submission",
]
