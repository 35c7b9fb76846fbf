// The activations of gated MLPs, in f64.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace contourfuse {

enum class Activation { kGeluTanh, kGelu, kSilu };

/// From config.json's spelling ("gelu_pytorch_tanh", "gelu", "silu", "swish"); others are
/// Error{kBadInput, "unknown-activation"}.
[[nodiscard]] Activation parse_activation(std::string_view name);
[[nodiscard]] std::string_view to_string(Activation activation) noexcept;

[[nodiscard]] double activate(Activation activation, double x) noexcept;
/// Every value to its activation; within a few last places of the above.
void activate(Activation activation, std::span<double> values) noexcept;
/// d/dx of activate.
[[nodiscard]] double activate_derivative(Activation activation, double x) noexcept;

/// ψ_g(z) = g z (act(g z) + act(−g z)): what a mirrored pair of gated neurons computes; odd in z.
[[nodiscard]] double mirrored_pair(Activation activation, double gain, double z) noexcept;
[[nodiscard]] double mirrored_pair_derivative(Activation activation, double gain,
                                              double z) noexcept;

}  // namespace contourfuse
