"""What exchanges and brokers allow of an order, a file a rule. Each cuts what the ones before it left."""
