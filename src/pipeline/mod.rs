//! Wires sources, log, engine and store: tasks, offsets, backpressure.
