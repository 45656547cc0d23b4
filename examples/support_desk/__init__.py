"""A support desk for a small shop: looks up customers and orders, reads the refund policy, gives money back."""
