"""Sizes of the nano models, as the native configuration of a published checkpoint says them."""

PICTURE = (98, 168)
"""Height and width that pictures are resized to: 7 x 12 patches of 14."""
PATCH = 14
GRID = (PICTURE[0] // PATCH, PICTURE[1] // PATCH)
CELLS = GRID[0] * GRID[1]
VOCABULARY = 512
ADDITIONAL = 32
WIDTH = 128
LAYERS = 4
POINTS = 8
HORIZON = 8
"""Future steps of a forecast, 0.25 s apart."""
FORECAST_STEP_S = 0.25
CHUNK = 16
"""Steps of a policy's chunk, 1/15 s apart."""


def backbone() -> dict:
    """What all nano models share, under `model:`."""
    return {
        "data_formatter": {"message_format": "qwen3", "system_prompt": "demo_or_style_v2", "always_start_with_space": False},
        "llm": {
            "d_model": WIDTH, "n_heads": 4, "n_kv_heads": 2, "head_dim": 32, "n_layers": LAYERS, "mlp_hidden_size": 512,
            "mlp_ratio": 4, "qkv_bias": False, "activation_type": "swiglu", "block_type": "sequential", "rope": True,
            "rope_theta": 10000.0, "attention_layer_norm": True, "attention_layer_norm_type": "qwen3", "layer_norm_type": "rms",
            "layer_norm_eps": 1e-6, "max_sequence_length": 2048, "include_bias": False, "vocab_size": VOCABULARY,
            "additional_vocab_size": ADDITIONAL, "embedding_size": VOCABULARY, "weight_tying": True,
            "tokenizer": {"identifier": "tokenizer-nano"},
        },
        "vision_backbone": {
            "vit": {
                "image_model_type": "siglip", "image_default_input_size": list(PICTURE), "image_patch_size": PATCH,
                "image_emb_dim": WIDTH, "image_num_heads": 4, "image_num_key_value_heads": 4, "image_num_layers": LAYERS,
                "image_head_dim": 32, "image_mlp_dim": 384, "image_mlp_activations": "gelu_pytorch_tanh",
                "image_num_pos": CELLS, "image_norm_eps": 1e-6, "resize_mode": "siglip", "normalize": "siglip",
            },
            "image_pooling_2d": "attention_meanq", "pooling_attention_mask": True, "image_projector": "mlp", "vit_layers": [-1],
        },
        "bi_directional_attn": "image_tokens",
    }


def forecast_config() -> dict:
    """MolmoMotion that answers in words (autoregressive)."""
    return {**backbone(), "model_name": "video_olmo_trajectory", "mm_preprocessor": _frames()}


def flow_config() -> dict:
    """MolmoMotion with a trajectory expert (flow matching)."""
    return {
        **backbone(), "model_name": "molmo_motion_flow", "mm_preprocessor": _frames(), "flow_matching_num_steps": 10,
        "trajectory_expert": {
            "hidden_size": WIDTH, "num_layers": LAYERS, "num_heads": 4, "mlp_ratio": 2.0, "timestep_embed_dim": 64,
            "context_layer_norm": True, "layer_mode": "per_layer", "num_points": POINTS, "history_size": 1, "horizon": HORIZON,
            "point_rope_theta": 10000, "frame_rope_theta": 10000, "units_per_metre": 5,
        },
    }


def pointing_config() -> dict:
    """Molmo2 that points in words at what one picture shows."""
    return {**backbone(), "model_name": "video_olmo", "mm_preprocessor": {"image": _images(1)}}


def policy_config(statistics: dict) -> dict:
    """MolmoBot. statistics: `observation.state` and `action`, each with what the quantiles mode needs."""
    processor = {
        "stats_by_repo": {"synthmanip": statistics}, "default_repo_id": "synthmanip", "action_key": "action",
        "state_keys": ["observation.state"], "action_norm_mode": "quantiles", "state_norm_mode": "quantiles",
    }
    return {
        **backbone(), "model_name": "molmobot",
        "mm_preprocessor": {"image": _images(2)},
        "action_dim": 8, "action_horizon": CHUNK, "n_action_steps": 8, "n_obs_steps": 1, "obs_step_delta": 1,
        "action_expert": {
            "max_horizon": CHUNK, "hidden_size": WIDTH, "num_layers": LAYERS, "num_heads": 4, "mlp_ratio": 2.0,
            "timestep_embed_dim": 64, "context_layer_norm": True,
        },
        "action_expert_layer_mode": "per_layer", "flow_matching_num_steps": 10, "states_mode": "cross_attn",
        "robot_preprocessor": processor, "robot_postprocessor": processor,
    }


def _images(most: int) -> dict:
    return {
        "crop_mode": "resize", "max_crops": 1, "pooling_w": 1, "pooling_h": 1, "overlap_margins": [4, 4], "max_images": most,
        "multi_image_pooling_w": 1, "multi_image_pooling_h": 1, "use_single_crop_col_tokens": False,
    }


def _frames() -> dict:
    return {
        "image": {"crop_mode": "resize", "max_crops": 1, "pooling_w": 1, "pooling_h": 1, "overlap_margins": [4, 4]},
        "video": {
            "max_frames": 1, "pooling_w": 1, "pooling_h": 1, "time_mode": "per-frame-compact", "per_frame_special_token": False,
        },
    }
