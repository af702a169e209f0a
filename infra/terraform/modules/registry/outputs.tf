output "repository_urls" {
  description = "Where images are pushed to, by service"
  value       = { for service, repository in aws_ecr_repository.service : service => repository.repository_url }
}

output "repository_arns" {
  description = "The repositories"
  value       = [for repository in aws_ecr_repository.service : repository.arn]
}
