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

# Runs that wait although CPU is idle: their nodes wait for the world, so more tasks do help.
resource "aws_appautoscaling_policy" "queue_lag" {
  count = var.queue_lag == null ? 0 : 1

  name               = "${local.full_name}-queue-lag"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.queue_lag.target_seconds
    scale_in_cooldown  = 300
    scale_out_cooldown = 30

    customized_metric_specification {
      namespace   = var.queue_lag.namespace
      metric_name = var.queue_lag.metric
      statistic   = "Maximum"
    }
  }
}
