# One service of the mesh: its task, its name, its scaling. main.tf of the root uses it three times.

locals {
  full_name = "${var.defaults.cluster_name}-${var.name}"

  # Where ECS Exec's agent, which runs as root beside the service, keeps its files, and where a service
  # that must unpack may do so. Everything else of the root file system is read-only.
  writable = merge(
    { exec-state = "/var/lib/amazon", exec-logs = "/var/log/amazon" },
    var.scratch ? { scratch = "/tmp" } : {},
  )

  container = {
    name                   = var.name
    image                  = var.image
    essential              = true
    command                = ["python", "-m", var.package]
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    privileged             = false
    stopTimeout            = var.defaults.stop_timeout_seconds

    portMappings = [{
      name          = var.name
      containerPort = var.port
      hostPort      = var.port
      protocol      = "tcp"
      appProtocol   = var.protocol
    }]

    environment = [for setting in sort(keys(var.environment)) : { name = setting, value = var.environment[setting] }]
    secrets     = [for setting in sort(keys(var.secrets)) : { name = setting, valueFrom = var.secrets[setting] }]

    healthCheck = {
      command     = var.health_check.command
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = var.health_check.start_period_seconds
    }

    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { add = [], drop = ["ALL"] }
    }

    mountPoints = [for volume, path in local.writable : { sourceVolume = volume, containerPath = path, readOnly = false }]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.defaults.region
        awslogs-stream-prefix = var.name
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/flowloom/${var.defaults.cluster_name}/${var.name}"
  retention_in_days = var.defaults.log_retention_days
  kms_key_id        = var.defaults.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.full_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.size.cpu
  memory                   = var.size.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])
  track_latest             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  dynamic "volume" {
    for_each = local.writable

    content {
      name = volume.key
    }
  }
}

resource "aws_ecs_service" "this" {
  name                               = var.name
  cluster                            = var.defaults.cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.size.minimum
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  enable_execute_command             = true
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.target_group_arn == null ? null : var.health_check.start_period_seconds

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.defaults.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arn == null ? [] : [var.target_group_arn]

    content {
      target_group_arn = load_balancer.value
      container_name   = var.name
      container_port   = var.port
    }
  }

  service_connect_configuration {
    enabled   = true
    namespace = var.defaults.namespace_arn

    # The gateway only calls; who speaks gRPC is also called, by the service's own name.
    dynamic "service" {
      for_each = var.protocol == "grpc" ? [var.port] : []

      content {
        port_name      = var.name
        discovery_name = var.name

        client_alias {
          dns_name = var.name
          port     = service.value
        }

        # Event streams last longer than any request: gRPC's own deadlines end what takes too long.
        timeout {
          idle_timeout_seconds        = 3600
          per_request_timeout_seconds = 0
        }
      }
    }
  }

  # The workflow deploys new revisions once the schema is migrated; scaling decides how many tasks.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }
}
