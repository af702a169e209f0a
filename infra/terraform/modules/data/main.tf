# PostgreSQL with pgvector, unless it is outside.

locals {
  managed  = var.database != null
  database = "flowloom"
}

ephemeral "random_password" "database" {
  length  = 40
  special = false # it is part of a URL
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "PostgreSQL: reached by the three services only"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = var.client_security_groups

  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  description                  = "The ${each.key} service"
}

resource "aws_db_subnet_group" "this" {
  count = local.managed ? 1 : 0

  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  count = local.managed ? 1 : 0

  name_prefix = "${var.name}-"
  family      = "postgres17"
  description = "TLS only; slow statements are written to the log"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  lifecycle {
    create_before_destroy = true
  }
}

data "aws_iam_policy_document" "monitoring_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  count = local.managed ? 1 : 0

  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_trust.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count = local.managed ? 1 : 0

  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_157: staging does without a second zone; production.tfvars has it
  # checkov:skip=CKV_AWS_293: staging may be thrown away; production.tfvars protects it
  # checkov:skip=CKV_AWS_161: the services log in with the password of DATABASE_URL
  count = local.managed ? 1 : 0

  identifier                      = var.name
  engine                          = "postgres"
  engine_version                  = "17"
  instance_class                  = var.database.instance_class
  allocated_storage               = var.database.storage_gb
  max_allocated_storage           = var.database.max_storage_gb
  storage_type                    = "gp3"
  storage_encrypted               = true
  kms_key_id                      = var.kms_key_arn
  db_name                         = local.database
  username                        = "flowloom"
  password_wo                     = ephemeral.random_password.database.result
  password_wo_version             = var.generated_version
  db_subnet_group_name            = aws_db_subnet_group.this[0].name
  parameter_group_name            = aws_db_parameter_group.this[0].name
  vpc_security_group_ids          = [aws_security_group.database.id]
  publicly_accessible             = false
  multi_az                        = var.database.multi_az
  backup_retention_period         = var.database.backup_retention_days
  copy_tags_to_snapshot           = true
  deletion_protection             = var.database.deletion_protection
  skip_final_snapshot             = false
  final_snapshot_identifier       = "${var.name}-final"
  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring[0].arn
}

resource "aws_secretsmanager_secret" "database_url" {
  # checkov:skip=CKV2_AWS_57: password and URL change together: raise generated_secrets_version and deploy
  count = local.managed ? 1 : 0

  name        = "${var.name}/DATABASE_URL"
  description = "The login that runs migrations and becomes the services' roles"
  kms_key_id  = var.kms_key_arn
}

resource "aws_secretsmanager_secret_version" "database_url" {
  count = local.managed ? 1 : 0

  secret_id                = aws_secretsmanager_secret.database_url[0].id
  secret_string_wo         = "postgresql://${aws_db_instance.this[0].username}:${ephemeral.random_password.database.result}@${aws_db_instance.this[0].endpoint}/${local.database}?sslmode=require"
  secret_string_wo_version = var.generated_version
}
