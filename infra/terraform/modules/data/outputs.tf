output "database_url_secret_arn" {
  description = "The secret that holds DATABASE_URL; null when PostgreSQL is outside"
  value       = one(aws_secretsmanager_secret.database_url[*].arn)
}

output "database_id" {
  description = "PostgreSQL's identifier in metrics; null when it is outside"
  value       = one(aws_db_instance.this[*].identifier)
}

output "redis_url_secret_arn" {
  description = "The secret that holds REDIS_URL"
  value       = aws_secretsmanager_secret.redis_url.arn
}

output "redis_cluster_ids" {
  description = "Valkey's nodes in metrics"
  value       = [for number in range(var.redis_nodes) : format("%s-%03d", var.name, number + 1)]
}

output "access_log_bucket" {
  description = "Where the load balancer writes its access logs"
  value       = aws_s3_bucket_policy.access_logs.bucket
}

output "files_url" {
  description = "Where the engine keeps files, as ENGINE_BLOB_URL has it"
  value       = "s3://${aws_s3_bucket.files.bucket}/files"
}

output "files_access" {
  description = "What whoever keeps files there must be allowed"
  value       = data.aws_iam_policy_document.files.json
}
