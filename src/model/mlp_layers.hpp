// From the tensors of a checkpoint to the MLPs of its layers.
#pragma once

#include "contourfuse/model/checkpoint.hpp"

namespace contourfuse {

/// Fills `layers` and adds to `notes` of a checkpoint whose config, shards and by_name are there.
void find_mlp_layers(Checkpoint& checkpoint);

}  // namespace contourfuse
