# Valkey: rate limits, idempotency, and what `memory.kv` keeps. Losing it loses those, never runs.

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Valkey: reached by the gateway and the engine only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  for_each = toset(["gateway", "engine"])

  security_group_id            = aws_security_group.redis.id
  referenced_security_group_id = var.client_security_groups[each.key]
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
  description                  = "The ${each.key}"
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

# ElastiCache has no write-only argument for it: the one secret in Terraform's state, whose bucket is
# encrypted. It opens a door that only the security groups of gateway and engine reach.
resource "random_password" "redis" {
  length  = 40
  special = false
  keepers = { version = var.generated_version }
}

resource "aws_elasticache_replication_group" "this" {
  # checkov:skip=CKV2_AWS_50: with one node, as in staging, nobody can take over; production.tfvars has two
  replication_group_id       = var.name
  description                = "Limits and idempotency of ${var.name}"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.redis_node_type
  num_cache_clusters         = var.redis_nodes
  automatic_failover_enabled = var.redis_nodes > 1
  multi_az_enabled           = var.redis_nodes > 1
  port                       = 6379
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.redis.id]
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  auth_token                 = random_password.redis.result
  auto_minor_version_upgrade = true
}

resource "aws_secretsmanager_secret" "redis_url" {
  # checkov:skip=CKV2_AWS_57: token and URL change together: raise generated_secrets_version and deploy
  name        = "${var.name}/REDIS_URL"
  description = "Where the gateway counts"
  kms_key_id  = var.kms_key_arn
}

resource "aws_secretsmanager_secret_version" "redis_url" {
  secret_id                = aws_secretsmanager_secret.redis_url.id
  secret_string_wo         = "rediss://:${random_password.redis.result}@${aws_elasticache_replication_group.this.primary_endpoint_address}:6379/0"
  secret_string_wo_version = var.generated_version
}
