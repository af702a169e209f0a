output "security_group_id" {
  description = "The tasks' security group"
  value       = aws_security_group.this.id
}

output "role_arns" {
  description = "The roles that ECS passes to the tasks"
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}

output "deployment" {
  description = "What a deployment needs to know"
  value = {
    service           = aws_ecs_service.this.name
    family            = aws_ecs_task_definition.this.family
    task_definition   = aws_ecs_task_definition.this.arn
    security_group_id = aws_security_group.this.id
    package           = var.package
  }
}
