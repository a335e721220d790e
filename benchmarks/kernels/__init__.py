"""The kernels against pytorch-grad-cam, captum, a loop of hooks and scikit-image: one run prints one table."""
