"""Talk to a checkpoint: show it pictures or a clip, ask, see the reply and how likely each option was.

pictures, question, options ──> Conversation ──> Said        babyvlm chat CHECKPOINT [--web]
"""

from babyvlm.chat.conversation import ChatConversation, Said, clip_frames

__all__ = ["ChatConversation", "Said", "clip_frames"]
