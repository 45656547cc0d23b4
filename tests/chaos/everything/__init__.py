"""Workers, the Temporal server, the store and the provider come to harm while runs use all that Tether has."""
