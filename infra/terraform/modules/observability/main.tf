# Whom to wake, and when: the three services, the edge, PostgreSQL, Valkey.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  load_balancer = { LoadBalancer = var.load_balancer }

  service_alarms = merge([
    for service in var.services : {
      "${service}-cpu" = {
        namespace  = "AWS/ECS", metric = "CPUUtilization", statistic = "Average", threshold = 85, minutes = 10, above = true
        dimensions = { ClusterName = var.cluster_name, ServiceName = service }
        meaning    = "${service} has been busy for ten minutes: it scales no further, or something spins"
      }
      "${service}-memory" = {
        namespace  = "AWS/ECS", metric = "MemoryUtilization", statistic = "Maximum", threshold = 85, minutes = 5, above = true
        dimensions = { ClusterName = var.cluster_name, ServiceName = service }
        meaning    = "A task of ${service} is about to be ended for want of memory"
      }
      "${service}-tasks" = {
        namespace  = "ECS/ContainerInsights", metric = "RunningTaskCount", statistic = "Minimum", threshold = 1, minutes = 2, above = false
        dimensions = { ClusterName = var.cluster_name, ServiceName = service }
        meaning    = "No task of ${service} runs"
      }
    }
  ]...)

  edge_alarms = {
    "edge-errors" = {
      namespace  = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", threshold = 25, minutes = 5, above = true
      dimensions = local.load_balancer
      meaning    = "The gateway answers with 5xx"
    }
    "edge-unanswered" = {
      namespace  = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", threshold = 25, minutes = 5, above = true
      dimensions = local.load_balancer
      meaning    = "The load balancer reaches no gateway"
    }
  }

  # Engines are added long before; this says that it does not help.
  queue_alarms = !var.queue_lag ? {} : {
    "engine-queue-lag" = {
      namespace  = "Flowloom/${var.name}", metric = "engine-queue-lag", statistic = "Maximum", threshold = 60, minutes = 5, above = true
      dimensions = null
      meaning    = "Runs have waited for more than a minute although engines were added"
    }
  }

  database_alarms = var.database_id == null ? {} : {
    "database-cpu" = {
      namespace  = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", threshold = 80, minutes = 10, above = true
      dimensions = { DBInstanceIdentifier = var.database_id }
      meaning    = "PostgreSQL has been busy for ten minutes"
    }
    "database-storage" = {
      namespace  = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", threshold = var.database_max_gb * 100000000, minutes = 5, above = false
      dimensions = { DBInstanceIdentifier = var.database_id }
      meaning    = "Less than a tenth of PostgreSQL's storage is free"
    }
    "database-memory" = {
      namespace  = "AWS/RDS", metric = "FreeableMemory", statistic = "Minimum", threshold = 200000000, minutes = 10, above = false
      dimensions = { DBInstanceIdentifier = var.database_id }
      meaning    = "PostgreSQL runs out of memory"
    }
  }

  redis_alarms = {
    for node in var.redis_cluster_ids : "redis-memory-${node}" => {
      namespace  = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum", threshold = 80, minutes = 5, above = true
      dimensions = { CacheClusterId = node }
      meaning    = "Valkey is about to refuse writes; the gateway then lets requests through uncounted"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.service_alarms, local.edge_alarms, local.queue_alarms, local.database_alarms, local.redis_alarms)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.meaning}. See docs/operations.md."
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = each.value.minutes
  threshold           = each.value.threshold
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  treat_missing_data  = endswith(each.key, "-tasks") ? "breaching" : "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Lines of level error, as the services write them.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = toset(var.services)

  name           = "${each.key}-errors"
  log_group_name = "/flowloom/${var.cluster_name}/${each.key}"
  pattern        = "{ $.level = \"error\" }"

  metric_transformation {
    namespace     = "Flowloom/${var.name}"
    name          = "${each.key}-errors"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = toset(var.services)

  alarm_name          = "${var.name}-${each.key}-errors"
  alarm_description   = "${each.key} writes errors to its log. See docs/operations.md."
  namespace           = "Flowloom/${var.name}"
  metric_name         = "${each.key}-errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  threshold           = 10
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
