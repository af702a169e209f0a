"""Everything that knows Absurd: how a run becomes a task, and who works on which."""

SPAWN = """absurd.spawn_task('flowloom', 'run', jsonb_build_object('run_id', {run_id}),
  jsonb_build_object('idempotency_key', {run_id}))"""
