"""BabyLLaVA-V2 itself. Knows nothing of data on disk; importing it registers the model with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText

from babyvlm.model.configuration import ModelShape, model_config
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import ConversationEncoder, image_processor, processor
from babyvlm.model.stem import TowerWithStem, TowerWithStemConfig
from babyvlm.model.tokenizer import train_tokenizer

__all__ = [
    "BabyLlavaConfig",
    "BabyLlavaForConditionalGeneration",
    "ConversationEncoder",
    "DualEncoder",
    "DualEncoderConfig",
    "ModelShape",
    "image_processor",
    "model_config",
    "processor",
    "train_tokenizer",
]

AutoConfig.register("babyllava", BabyLlavaConfig)
AutoModelForCausalLM.register(BabyLlavaConfig, BabyLlavaForConditionalGeneration)
AutoModelForImageTextToText.register(BabyLlavaConfig, BabyLlavaForConditionalGeneration)
AutoConfig.register(DualEncoderConfig.model_type, DualEncoderConfig)
AutoModel.register(DualEncoderConfig, DualEncoder)
AutoConfig.register(TowerWithStemConfig.model_type, TowerWithStemConfig)
AutoModel.register(TowerWithStemConfig, TowerWithStem)
