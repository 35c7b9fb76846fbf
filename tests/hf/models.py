"""Small random models of several families, saved by transformers itself."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import Gemma4Config, Gemma4ForCausalLM, Gemma4ForConditionalGeneration, Gemma4TextConfig, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

SMALL = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 6, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 128}
GEMMA = SMALL | {"vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 0, "sliding_window": 16, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}


def dense():
    return Gemma4ForCausalLM(Gemma4TextConfig(**GEMMA))


def double_wide():
    """Each kind of layer must stand before the shared ones, which borrow its keys and values."""
    kinds = ["sliding_attention", "full_attention"] * 3
    return Gemma4ForCausalLM(Gemma4TextConfig(**GEMMA | {"num_kv_shared_layers": 2, "use_double_wide_mlp": True, "layer_types": kinds}))


def experts_and_towers():
    """Dense MLPs beside experts, with vision and audio towers whose layers bear the same numbers."""
    text = GEMMA | {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24}
    vision = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 64, "use_clipped_linears": True}
    audio = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "subsampling_conv_channels": [8, 4], "output_proj_dims": 16}
    ids = dict(zip(("boi_token_id", "eoi_token_id", "image_token_id", "video_token_id", "boa_token_id", "eoa_token_index", "audio_token_id"), range(50, 57)))
    return Gemma4ForConditionalGeneration(Gemma4Config(text_config=text, vision_config=vision, audio_config=audio, **ids))


def llama():
    return LlamaForCausalLM(LlamaConfig(**SMALL))


def qwen3():
    return Qwen3ForCausalLM(Qwen3Config(**SMALL))


FAMILIES = {"gemma4-dense": dense, "gemma4-double-wide": double_wide, "gemma4-experts": experts_and_towers, "llama": llama, "qwen3": qwen3}


def save(family, folder, max_shard_size="60KB"):
    """Random bf16 weights; buffers that are no parameters stay as the library makes them."""
    torch.manual_seed(11)
    model = FAMILIES[family]().to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return type(model)
