# Flowloom on ECS Fargate: an HTTPS load balancer before the gateway, gRPC between the three services
# over Service Connect, PostgreSQL and Valkey beside them. What a service is told is decided here.

locals {
  name = "flowloom-${var.environment}"

  # Ports, commands and health checks are the images'; tests/architecture/test_terraform.py compares.
  ports = { gateway = 8000, agent = 50051, engine = 50052 }

  # The longest silence on an event stream is 15 s; uvicorn keeps idle connections for 75 s. The load
  # balancer's patience lies between.
  idle_timeout_seconds = 60

  # DRAIN_SECONDS is 20 by default and 25 at most; then a few more to close what is open.
  stop_timeout_seconds = 30
}

module "network" {
  source = "./modules/network"

  name               = local.name
  cidr               = var.vpc_cidr
  zones              = var.zones
  nat_per_zone       = var.nat_per_zone
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.secrets.kms_key_arn
}

module "registry" {
  source = "./modules/registry"

  name        = local.name
  services    = keys(local.ports)
  kms_key_arn = module.secrets.kms_key_arn
}

module "secrets" {
  source = "./modules/secrets"

  name              = local.name
  given             = setunion(var.given_secrets.gateway, var.given_secrets.agent, var.given_secrets.engine, var.database == null ? ["DATABASE_URL"] : [])
  generated_version = var.generated_secrets_version
}

module "data" {
  source = "./modules/data"

  name              = local.name
  vpc_id            = module.network.vpc_id
  subnet_ids        = module.network.private_subnet_ids
  kms_key_arn       = module.secrets.kms_key_arn
  database          = var.database
  generated_version = var.generated_secrets_version
  redis_node_type   = var.redis_node_type
  redis_nodes       = var.redis_nodes
  # As long as the database can be set back.
  deleted_files_days = var.database == null ? 14 : var.database.backup_retention_days
  client_security_groups = {
    gateway = module.gateway.security_group_id
    agent   = module.agent.security_group_id
    engine  = module.engine.security_group_id
  }
}

module "edge" {
  source = "./modules/edge"

  name                 = local.name
  vpc_id               = module.network.vpc_id
  public_subnet_ids    = module.network.public_subnet_ids
  certificate_arn      = var.certificate_arn
  target_port          = local.ports.gateway
  idle_timeout_seconds = local.idle_timeout_seconds
  waf                  = var.waf
  log_bucket           = module.data.access_log_bucket
  deletion_protection  = var.database == null ? true : var.database.deletion_protection
}

resource "aws_service_discovery_http_namespace" "mesh" {
  name        = local.name
  description = "The names by which the services find each other"
}

resource "aws_ecs_cluster" "mesh" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

locals {
  database_url_arn = var.database == null ? module.secrets.given_arns["DATABASE_URL"] : module.data.database_url_secret_arn

  # What every service is told in secret.
  shared_secrets = {
    DATABASE_URL = local.database_url_arn
    MESH_SECRET  = module.secrets.mesh_secret_arn
  }

  service_defaults = {
    cluster_arn           = aws_ecs_cluster.mesh.arn
    cluster_name          = aws_ecs_cluster.mesh.name
    namespace_arn         = aws_service_discovery_http_namespace.mesh.arn
    vpc_id                = module.network.vpc_id
    subnet_ids            = module.network.private_subnet_ids
    kms_key_arn           = module.secrets.kms_key_arn
    region                = var.region
    log_retention_days    = var.log_retention_days
    stop_timeout_seconds  = local.stop_timeout_seconds
    session_access_policy = data.aws_iam_policy_document.session_access.json
  }
}

# Commands inside running containers (ECS Exec): how the smoke test asks the gRPC services.
data "aws_iam_policy_document" "session_access" {
  # checkov:skip=CKV_AWS_111: session channels have no ARN of their own
  # checkov:skip=CKV_AWS_356: session channels have no ARN of their own
  statement {
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

module "gateway" {
  source = "./modules/service"

  name     = "gateway"
  defaults = local.service_defaults
  image    = "${module.registry.repository_urls.gateway}:${var.image_tag}"
  package  = "gateway"
  size     = var.services.gateway
  port     = local.ports.gateway
  protocol = "http"

  health_check = {
    command              = ["CMD", "curl", "-f", "http://localhost:8000/health"]
    start_period_seconds = 120
  }

  environment = merge({
    AGENT_ADDRESS           = "agent:${local.ports.agent}"
    ENGINE_ADDRESS          = "engine:${local.ports.engine}"
    GATEWAY_HOST            = "0.0.0.0"
    GATEWAY_PORT            = tostring(local.ports.gateway)
    GATEWAY_PUBLIC_URL      = "https://${var.domain_name}"
    GATEWAY_SIGNUP          = "closed"
    GATEWAY_TRUSTED_PROXIES = var.vpc_cidr
  }, var.settings.gateway)

  secrets = merge(local.shared_secrets, {
    REDIS_URL = module.data.redis_url_secret_arn
  }, { for setting in var.given_secrets.gateway : setting => module.secrets.given_arns[setting] })

  target_group_arn = module.edge.target_group_arn
  clients          = { edge = module.edge.security_group_id }
}

module "agent" {
  source = "./modules/service"

  name     = "agent"
  defaults = local.service_defaults
  image    = "${module.registry.repository_urls.agent}:${var.image_tag}"
  package  = "agent_service"
  size     = var.services.agent
  port     = local.ports.agent
  protocol = "grpc"

  health_check = {
    command              = ["CMD", "grpc_health_probe", "-addr=localhost:50051"]
    start_period_seconds = 240
  }

  environment = merge({
    AGENT_HOST     = "0.0.0.0"
    AGENT_PORT     = tostring(local.ports.agent)
    ENGINE_ADDRESS = "engine:${local.ports.engine}"
  }, var.settings.agent)

  secrets = merge(local.shared_secrets, {
    for setting in var.given_secrets.agent : setting => module.secrets.given_arns[setting]
  })

  clients = { gateway = module.gateway.security_group_id }
}

module "engine" {
  source = "./modules/service"

  name     = "engine"
  defaults = local.service_defaults
  image    = "${module.registry.repository_urls.engine}:${var.image_tag}"
  package  = "engine_service"
  size     = var.services.engine
  port     = local.ports.engine
  protocol = "grpc"

  health_check = {
    command              = ["CMD", "grpc_health_probe", "-addr=localhost:50052"]
    start_period_seconds = 180
  }

  environment = merge({
    ENGINE_BLOB_URL        = module.data.files_url
    ENGINE_HOST            = "0.0.0.0"
    ENGINE_LAG_LOG_SECONDS = "30"
    ENGINE_PORT            = tostring(local.ports.engine)
    ENGINE_PUBLIC_URL      = "https://${var.domain_name}"
  }, var.settings.engine)

  secrets = merge(local.shared_secrets, {
    REDIS_URL = module.data.redis_url_secret_arn
  }, { for setting in var.given_secrets.engine : setting => module.secrets.given_arns[setting] })

  clients = {
    gateway = module.gateway.security_group_id
    agent   = module.agent.security_group_id
  }
  access_policies = { files = module.data.files_access }
  scratch         = true
  queue_lag       = var.engine_queue_lag
}

module "observability" {
  source = "./modules/observability"

  name              = local.name
  region            = var.region
  kms_key_arn       = module.secrets.kms_key_arn
  alarm_email       = var.alarm_email
  cluster_name      = aws_ecs_cluster.mesh.name
  services          = keys(local.ports)
  queue_lag         = var.engine_queue_lag != null
  load_balancer     = module.edge.load_balancer_metric_name
  database_id       = module.data.database_id
  database_max_gb   = var.database == null ? 0 : var.database.storage_gb
  redis_cluster_ids = module.data.redis_cluster_ids
}

module "delivery" {
  source = "./modules/delivery"
  count  = var.github_repository == "" ? 0 : 1

  name             = local.name
  repository       = var.github_repository
  environment      = var.environment
  repository_arns  = module.registry.repository_arns
  cluster_arn      = aws_ecs_cluster.mesh.arn
  task_role_arns   = concat(module.gateway.role_arns, module.agent.role_arns, module.engine.role_arns)
  service_families = [for service in keys(local.ports) : "${local.name}-${service}"]
}
