"""Talk to a checkpoint: show it pictures or a clip, ask, see the reply and how likely each option was.

pictures, question, options ──> Conversation ──> ChatReply        babyvlm chat CHECKPOINT [--web]
"""

from babyvlm.chat.conversation import ChatConversation, ChatReply, clip_frames

__all__ = ["ChatConversation", "ChatReply", "clip_frames"]
