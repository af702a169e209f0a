# One page: requests and answers, the three services, the database.

locals {
  widgets = concat(
    [{
      title = "Requests and errors", metrics = [
        ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer, { stat = "Sum" }],
        [".", "HTTPCode_Target_5XX_Count", ".", ".", { stat = "Sum" }],
        [".", "HTTPCode_ELB_5XX_Count", ".", ".", { stat = "Sum" }],
      ]
      }, {
      title = "Answer time", metrics = [
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer, { stat = "p50" }],
        ["...", { stat = "p99" }],
      ]
      }, {
      title = "Errors in the log", metrics = [
        for service in var.services : ["Flowloom/${var.name}", "${service}-errors", { stat = "Sum" }]
      ]
    }],
    [for service in var.services : {
      title = service, metrics = [
        ["AWS/ECS", "CPUUtilization", "ClusterName", var.cluster_name, "ServiceName", service, { stat = "Average" }],
        [".", "MemoryUtilization", ".", ".", ".", ".", { stat = "Maximum" }],
      ]
    }],
    !var.queue_lag ? [] : [{
      title = "Queue lag", metrics = [["Flowloom/${var.name}", "engine-queue-lag", { stat = "Maximum" }]]
    }],
    var.database_id == null ? [] : [{
      title = "PostgreSQL", metrics = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database_id, { stat = "Average" }],
        [".", "DatabaseConnections", ".", ".", { stat = "Maximum", yAxis = "right" }],
      ]
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for position, widget in local.widgets : {
      type       = "metric"
      x          = position % 3 * 8
      y          = floor(position / 3) * 6
      width      = 8
      height     = 6
      properties = { title = widget.title, metrics = widget.metrics, region = var.region, period = 60, view = "timeSeries" }
    }]
  })
}
