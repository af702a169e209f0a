"""The worker: keeps workflows and runs them durably, whatever crashes."""
