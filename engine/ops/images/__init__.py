"""What has spatial axes: convolution, pooling, resampling, sampling."""
