# How many tasks: as many as the work needs, between minimum and maximum.

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  resource_id        = "service/${var.defaults.cluster_name}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.size.minimum
  max_capacity       = var.size.maximum
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${local.full_name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_in_cooldown  = 300
    scale_out_cooldown = 30

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# Runs that wait although CPU is idle: their nodes wait for the world, so more tasks do help. The
# engine says in its log how far behind the queue is (ADR 32); tasks go again by the policy on CPU.
locals {
  lag = var.queue_lag == null ? {} : { this = var.queue_lag.threshold_seconds }
}

resource "aws_cloudwatch_log_metric_filter" "queue_lag" {
  for_each = local.lag

  name           = "${local.full_name}-queue-lag"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = "{ $.event = \"queue_lag\" }"

  metric_transformation {
    namespace = "Flowloom/${var.defaults.cluster_name}"
    name      = "${var.name}-queue-lag"
    value     = "$.lag_seconds"
  }
}

resource "aws_appautoscaling_policy" "queue_lag" {
  for_each = local.lag

  name               = "${local.full_name}-queue-lag"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = 60
    metric_aggregation_type = "Maximum"

    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = each.value * 5
      scaling_adjustment          = 1
    }

    step_adjustment {
      metric_interval_lower_bound = each.value * 5
      scaling_adjustment          = 3
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "queue_lag" {
  for_each = local.lag

  alarm_name          = "${local.full_name}-queue-lag-scales"
  alarm_description   = "Runs wait for more than ${each.value} seconds: more tasks begin"
  namespace           = "Flowloom/${var.defaults.cluster_name}"
  metric_name         = "${var.name}-queue-lag"
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  threshold           = each.value
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.queue_lag[each.key].arn]
}
