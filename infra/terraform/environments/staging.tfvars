# A small environment that may be thrown away. Certificates and names are examples.
environment     = "staging"
region          = "eu-central-1"
domain_name     = "staging.flowloom.example"
certificate_arn = "arn:aws:acm:eu-central-1:111111111111:certificate/00000000-0000-0000-0000-000000000000"
nat_per_zone    = false
waf             = false

database = {
  instance_class        = "db.t4g.medium"
  storage_gb            = 20
  max_storage_gb        = 50
  multi_az              = false
  backup_retention_days = 7
  deletion_protection   = false
}

redis_node_type = "cache.t4g.micro"
redis_nodes     = 1

services = {
  gateway = { cpu = 256, memory = 512, minimum = 1, maximum = 2 }
  agent   = { cpu = 512, memory = 1024, minimum = 1, maximum = 2 }
  engine  = { cpu = 512, memory = 1024, minimum = 1, maximum = 3 }
}

settings = {
  gateway = { GATEWAY_SIGNUP = "open" }
}

given_secrets = {
  engine = ["ENGINE_CREDENTIAL_KEYS"]
}
