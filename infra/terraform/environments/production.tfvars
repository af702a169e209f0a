# Two zones, everything twice. Certificates and names are examples.
environment     = "production"
region          = "eu-central-1"
domain_name     = "flowloom.example"
certificate_arn = "arn:aws:acm:eu-central-1:111111111111:certificate/11111111-1111-1111-1111-111111111111"

database = {
  instance_class        = "db.m7g.large"
  storage_gb            = 100
  max_storage_gb        = 1000
  multi_az              = true
  backup_retention_days = 14
  deletion_protection   = true
}

redis_node_type = "cache.t4g.small"
redis_nodes     = 2

services = {
  gateway = { cpu = 1024, memory = 2048, minimum = 2, maximum = 6 }
  agent   = { cpu = 1024, memory = 2048, minimum = 2, maximum = 6 }
  engine  = { cpu = 2048, memory = 4096, minimum = 2, maximum = 12 }
}

settings = {
  agent = { AGENT_MODELS = "anthropic:claude-sonnet-4-5" }
}

given_secrets = {
  agent  = ["ANTHROPIC_API_KEY"]
  engine = ["ANTHROPIC_API_KEY", "ENGINE_CREDENTIAL_KEYS"]
}
