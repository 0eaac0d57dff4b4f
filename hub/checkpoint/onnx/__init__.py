"""ONNX models: their tensors, read by a small reader of the protobuf wire format."""
