"""What goes wrong, by whom it happens to: servers, queues, nodes, links. `table` names every kind."""
