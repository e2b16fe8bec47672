"""What workers share: values by key and large objects, as guests see them."""
