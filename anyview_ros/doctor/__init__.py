"""What is wrong with a running set-up, and how it fares: `anyview check` and `anyview top`."""
