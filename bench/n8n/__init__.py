"""n8n on the same machine, in the same minutes, on the same PostgreSQL: what the ratios stand on.

`python -m bench.n8n` installs n8n from npm if it must (some minutes and 2 GB below `--home`), and
measures each shape of run here and there, in turns: Flowloom, then n8n with its sandboxed engine
for expressions (its default), then with its older one (`N8N_EXPRESSION_ENGINE=legacy`), which is
faster and not isolated. n8n runs as it is shipped otherwise: one main process, task runners inside.
"""
