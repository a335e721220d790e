"""The shared compute: tensors in, tensors out, no state. Import the module that is named for what you need."""
