"""Scripts and notebooks whose top level computes a loss and its gradients: `backprop.check_script`."""
