//! Experiments and benchmarks over the workspace.
